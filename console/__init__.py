"""Where people act: pages for coordinators, schools and analysts, drawn from the casebook database and nothing else."""
