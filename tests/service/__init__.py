"""The whole path of the Compute service, on one machine."""
