"""The words for what customers hold: subscriptions, contracts, accounts."""

from __future__ import annotations

CANCEL = r"(?:can[cs]el{1,2}|cancle|cancal|canclel|canel|cancek|cnacel|cacnel|cencel)"
CANCELLING = rf"(?:{CANCEL}ing|cancling)"
CANCELLED = rf"(?:{CANCEL}ed|cancled|canceld)"
CANCELLATION = r"(?:can[cs]el{0,2}[ae]?i?t?t?ions?|canclation|cancelaton|cancellaton)"

DETERMINER = (
    r"(?:our|my|this|the|your|these|all|all our|all my|both|every|entire|whole|said|ur"
    r"|(?:all|both|any|either|each|the rest|the remainder|renewal|the renewal) of (?:our|my|the"
    r"|your|these))"
)

_SUBSCRIPTION = r"(?:sub?sc?ri?[pb]?t?i?o?i?[no]{1,2}s?|subscirptions?|subsciptions?)"
_STRONG = (
    rf"(?:{_SUBSCRIPTION}|contracts?|agreements?|memberships?|partnership|retainer"
    r"|(?:business |working |vendor )?relationship|(?:auto(?:matic)?(?:ally)?[ -]?)?renewals?"
    r"|auto-?renew(?:ing)?|msa)"
)
_WEAK = (
    r"(?:acc?ou?nts?|accout|acct|plan|services?|licen[cs]es?|(?:free )?trial|deal|package"
    r"|arrangement|workspace|tenant"
    r"|tenancy|org|organi[sz]ation|engagement|sub|profile)"
)
_TIER = (
    r"(?:current|existing|annual|monthly|yearly|quarterly|paid|premium|pro|professional|business"
    r"|enterprise|basic"
    r"|standard|starter|growth|team|teams|plus|gold|silver|platinum|trial|subscription|service"
    r"|company|corporate"
    r"|whole|entire|full|main|saas|software|account|support|hosted|managed|year|month"
    r"|[\w-]+-year|[\w-]+-month"
    r"|remaining|complete|customer|paying|other|\d+)"
)
# Another's, or a thing of the product's: what it stands before is no subscription to the reader.
_FOREIGN = (
    r"(?:the|a|an|to|for|of|in|on|at|by|with|from|about|and|or|but|if|we|i|you|it|is|are|was"
    r"|were|be|that|which|who"
    r"|because|so|as|when|until|before|after|their|his|her|not|no|customer\S*|client\S*|user\S*"
    r"|subscriber\S*"
    r"|member'?s|members'|employee\S*|employment|webhooks?|events?|emails?|e-mails?|mails?"
    r"|newsletters?|notifications?"
    r"|push|api|calendar|topic|test|demo|bank|sandbox|staging|dummy|duplicate|duplicated|old"
    r"|second|previous|former"
    r"|extra|spare|guest\S*|patient\S*|supplier\S*|vendor'?s|partner\S*|rental|lease|leasing"
    r"|phone|mobile|gym|sales"
    r"|purchase|nda|confidentiality|template|draft|sample|magazine|newspaper|insurance|utility"
    r"|energy|electricity"
    r"|cleaning|office|car|travel|cancell?ed|expired|inactive|someone's|somebody's|colleague'?s"
    r"|rss|feed|mailing"
    r"|certificate|ssl|domain|token|key|password|passport|another|other|meeting|call|order|job"
    r"|session|process"
    r"|salesforce|hubspot|slack|zoom|microsoft|google|adobe|aws|azure|jira|zendesk|netflix"
    r"|spotify|amazon)"
)
_WORDS = rf"(?:(?!{_FOREIGN}\b)[\w'&./+-]+ ){{0,3}}"
# A thing named after a subscription is none; nor is one held with others.
_NO_THING = (
    r"(?![\w-]| (?:meetings?|calls?|reviews?|upgrades?|changes?|pages?|tabs?|settings?|records?"
    r"|fields?|reports?|webhooks?"
    r"|events?|buttons?|api|objects?|ids?|managers?|executives?|owners?|invites?|invitations?"
    r"|numbers?|keys?|endpoints?"
    r"|screens?|windows?|templates?|imports?|exports?|sync|jobs?|tickets?|reminders?|e?-?mails?"
    r"|notifications?|discussions?"
    r"|workshops?|training|levels?|desk|forms?|lists?|views?|types?|status|names?|transfer"
    r"|servers?|functions?|modules?"
    r"|negotiations?|talks|signing|menu|merge|merges|data model|process(?=es)|flows?|workflows?"
    r"|states?|dialogs?"
    r"|of (?:a|an|another|\w+'s|(?!our\b|my\b|the (?:company|account|contract|subscription"
    r"|agreement)\b|your\b)\w+ \w+'s?)\b"
    r"|in (?:the|our|a) (?:\w+ )?(?:folder|app|system|crm|dashboard|editor|tool|module|admin)\b"
    r"|(?:with|from) (?:another|the|a|an|our|my|their|that|other|some|old)\b(?! (?:required"
    r"|appropriate|end|first|next|beginning|start|\d))"
    r"|for (?:a|an|one of|another) (?:customer|client|user|patient|guest|member)"
    r"|(?:belonging|named|called)\b))"
)
THING = (
    rf"(?:(?:{DETERMINER} )?{_WORDS}{_STRONG}\b{_NO_THING}"
    rf"|{DETERMINER} (?:{_TIER} ){{0,3}}{_WEAK}\b{_NO_THING}(?! (?:of|for|from) (?!our|my|your"
    rf"|the|good|us\b|all|now|any|next|today|\d))"
    r"|(?:an?|one's) (?:subscription|account|contract|membership|agreement)(?= *(?:\Z|[.?]"
    r"|early\b|before\b|mid-))"
    r"|(?:account|acount|plan|service|sub)(?= *(?:\Z|[.,!?;]|(?:asap|immediately|now|please|pls"
    r"|today|from|effective|as of)\b))"
    r"|(?:everything|the whole thing)(?= *(?:\Z|[.,!?;]| with you| immediately| now)))"
)
PRODUCT = r"(?:services?|platform|product|software|tools?|system|app|solution|company|offering)"

# What is cancelled in a product: beside one of these a bare "cancel" is not about a subscription.
FEATURES = (
    r"(?:meetings?|calls?|demos?|trainings?|webinars?|orders?|bookings?|jobs?|exports?|imports?"
    r"|uploads?|downloads?|syncs?"
    r"|runs?|builds?|shipments?|deliver(?:y|ies)|tasks?|invites?|invitations?|sessions?"
    r"|process(?:es)? (?:id|running)|quer(?:y|ies)"
    r"|payments?|transactions?|events?|reservations?|flights?|tickets?|buttons?|dialogs?"
    r"|pop-?ups?|modals?|workflows?"
    r"|appointments?|threads?|uploading|rollout|migrations?|templates?|scheduled|webhooks?"
    r"|endpoints?|timers?|polls?"
    r"|conversations?|recordings?|surveys?|campaigns?|operations?|batch(?:es)?|file"
    r"|deploy\w*|pipelines?|wizard"
    r"|prompt|installation|install|update|updates|upgrade|workshop|interviews?|shifts?|visits?"
    r"|trips?|rides?)"
)
