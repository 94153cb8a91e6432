"""A seeded world of subscriptions whose true hazard is known.

``simulate`` writes the standard tables of a company that does not exist, as files a user could
have, and beside them, in ``truth/``, what nobody in that company could know.
"""

from churnml.simulate.simulation import Simulation, simulate
from churnml.simulate.world import Shock, Tier, World

__all__ = ["Shock", "Simulation", "Tier", "World", "simulate"]
