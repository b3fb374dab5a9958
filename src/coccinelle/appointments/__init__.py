"""When a business can be visited, and by whom: its people, its weekly hours, its closures.

Hours are local times in the tenant's zone; public holidays are computed and never stored.
"""
