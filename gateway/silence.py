"""How much of a zone and of the fleet is silent: the rules that hold verdicts back.

More than half of a zone of three silent: a partition, nobody of it goes out. More than 0.8 of a
fleet of five: our own fault, nobody is declared dead. Who said goodbye is not silent, and neither
is who sleeps.
"""

from atoll.gateway.member import LEASED, Member, State

ZONE_LEAST, ZONE_SHARE = 3, 0.5
FLEET_LEAST, FLEET_SHARE = 5, 0.8
_COUNTED = LEASED | {State.DEAD}


class Silence:
    """Counts by zone, kept as members change."""

    def __init__(self) -> None:
        self._away: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def count(self, member: Member, by: int) -> None:
        """Take a member in (1) or out (-1) as it stands now."""
        if member.state not in _COUNTED:
            return
        zone = member.row.zone
        self._sizes[zone] = self._sizes.get(zone, 0) + by
        if member.state is not State.READY:
            self._away[zone] = self._away.get(zone, 0) + by

    def of_zone(self, zone: str) -> bool:
        """Whether the silence of a zone is a partition's."""
        return zone_silent(self._sizes.get(zone, 0), self._away.get(zone, 0))

    def of_fleet(self) -> bool:
        """Whether the silence is our own fault."""
        return self.would_be_fleets(sum(self._sizes.values()), sum(self._away.values()))

    @staticmethod
    def would_be_fleets(size: int, away: int) -> bool:
        """Whether a fleet of `size` of which `away` are silent is taken for our own fault."""
        return size >= FLEET_LEAST and away > FLEET_SHARE * size


def zone_silent(size: int, away: int) -> bool:
    """Whether a zone of `size` of which `away` are silent is taken for a partition."""
    return size >= ZONE_LEAST and away > ZONE_SHARE * size
