"""A registry as sites have it: PostgreSQL, an S3 store, somebody who asks who you are."""
