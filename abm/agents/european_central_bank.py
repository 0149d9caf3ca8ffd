"""The European Central Bank: a rule-based path of the deposit rate and an optional backstop for government bonds."""

from typing import ClassVar

import numpy as np

from abm.agents.central_bank import CentralBank
from abm.world.events import MeetingBankId
from abm.world.instruments import EUR, indices


class EuropeanCentralBank(CentralBank):
    """One bank. Sees its own policy rate, the perceived terminal rate and the depth of euro-area bonds."""

    id = "european_central_bank"
    rules = ("ecb_rule", "ecb_backstop")
    home = EUR
    bank: ClassVar[MeetingBankId] = "ECB"
    bonds: ClassVar[np.ndarray] = indices("BUND10", "OAT10", "EGB30")
