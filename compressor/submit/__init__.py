"""Send a job to a Ray cluster through its Jobs API, follow it, and return its exit code.

What is sent is looked at here first (`request`, `confidential`, `places`), then the cluster is
asked what it has (`preflight` sends `probe`), then the job goes with what is missing there
(`luggage`).
"""
