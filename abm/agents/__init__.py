"""The registry of sectors. A new sector is one file and one line here."""

from abm.agents.arbitrageurs import Arbitrageurs
from abm.agents.bank_of_japan import BankOfJapan
from abm.agents.banks import Banks
from abm.agents.base import Member, Params, Sector
from abm.agents.bitcoin_holders import BitcoinHolders
from abm.agents.carry_traders import CarryTraders
from abm.agents.crypto_longs import CryptoLongs
from abm.agents.dealers import Dealers
from abm.agents.european_central_bank import EuropeanCentralBank
from abm.agents.federal_reserve import FederalReserve
from abm.agents.government import Government
from abm.agents.jgb_fast_money import JgbFastMoney
from abm.agents.life_insurers import LifeInsurers
from abm.agents.ministry_of_finance import MinistryOfFinance
from abm.agents.pension_funds import PensionFunds
from abm.agents.real_money import RealMoney
from abm.agents.rest_of_world import RestOfWorld

SECTORS: tuple[type[Sector], ...] = (
    LifeInsurers,
    PensionFunds,
    Banks,
    JgbFastMoney,
    CarryTraders,
    CryptoLongs,
    BitcoinHolders,
    RealMoney,
    Dealers,
    Arbitrageurs,
    BankOfJapan,
    MinistryOfFinance,
    Government,
    FederalReserve,
    EuropeanCentralBank,
    RestOfWorld,
)
REGISTRY: dict[str, type[Sector]] = {cls.id: cls for cls in SECTORS}

__all__ = ["REGISTRY", "SECTORS", "Member", "Params", "Sector"]
