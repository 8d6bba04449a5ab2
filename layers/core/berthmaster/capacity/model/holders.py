"""Who uses addresses, as `Occupancy.holders` names them, besides AWS's services."""

DETACHED = "detached interfaces"
CANARIES = "Berthmaster's canaries"
