"""The Federal Reserve: a rule-based path of the federal funds rate and an optional Treasury backstop."""

from typing import ClassVar

import numpy as np

from abm.agents.central_bank import CentralBank
from abm.world.events import MeetingBankId
from abm.world.instruments import USD, indices


class FederalReserve(CentralBank):
    """One bank. Sees its own policy rate, the perceived terminal rate and the depth of Treasuries."""

    id = "federal_reserve"
    rules = ("fed_rule", "fed_backstop")
    home = USD
    bank: ClassVar[MeetingBankId] = "FED"
    bonds: ClassVar[np.ndarray] = indices("UST2", "UST10", "UST30")
