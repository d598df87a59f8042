"""What the functions share on a worker: a version found, fetched, loaded once and kept."""
