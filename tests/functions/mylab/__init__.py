"""A package of a user's own, which no worker has."""
