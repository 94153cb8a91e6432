"""What the service keeps: API keys, every score that was told, and who did what.

::

    store.py        Store: opened once, refused where its schema is another
    keys.py  scores.py  standings.py  audit.py  events.py    what is read and written of each table
    schema.py       the tables as they are now
    migrations/     how they became so, up and down
    database.py     SQLite or PostgreSQL, by URL
    revisions.py    a store is made, upgraded, downgraded
    backups.py      and copied to a file and back
"""
