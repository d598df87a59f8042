"""Screening: candidates of any number, from a file or a space, to a file; resumable and watched."""
