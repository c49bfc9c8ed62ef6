"""What a job will take and bring, before it is run."""
