"""What ails an endpoint, a line a check, each with what to change and where.

``folder`` looks at the files of an endpoint on this machine, ``programs`` at what its agent starts,
``environment`` at what its workers activate, ``account`` at the login and the agent, ``network`` at
the hosts of Globus when it is asked to, and ``worker`` at what a worker says of itself, wherever
that ran. None of them raises for what it finds.
"""

from .account import examine_account
from .environment import examine_environment
from .folder import examine_folder
from .network import examine_network
from .verdict import Verdict
from .worker import examine_worker

__all__ = [
    "Verdict",
    "examine_account",
    "examine_environment",
    "examine_folder",
    "examine_network",
    "examine_worker",
]
