"""What users of XTuner 0.1 bring along: its configs, names and checkpoints, read and never executed."""
