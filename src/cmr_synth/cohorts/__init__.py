"""Where scans come from: one file per public data set, prepared slice sets, splits."""
