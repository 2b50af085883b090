"""Training as the command does it: the job, its learning curve, the golden model beside it."""
