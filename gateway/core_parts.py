"""The parts of a core, for those that read or steer several of them."""

from typing import NamedTuple

from atoll.gateway.audit import Audits
from atoll.gateway.catalog import Catalog
from atoll.gateway.jobs import Jobs
from atoll.gateway.membership import Membership
from atoll.gateway.moves import Moves
from atoll.gateway.owners import Owners
from atoll.gateway.puts import Puts
from atoll.gateway.reads import Reads
from atoll.gateway.standing import StandingJobs
from atoll.gateway.takeovers import Takeovers


class Parts(NamedTuple):
    """Everything that has a state of its own."""

    members: Membership
    catalog: Catalog
    owners: Owners
    puts: Puts
    jobs: Jobs
    standing: StandingJobs
    moves: Moves
    reads: Reads
    takeovers: Takeovers
    audits: Audits
