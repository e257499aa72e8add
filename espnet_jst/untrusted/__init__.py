"""What strangers wrote: configurations and names of files, read as data and never followed out of their folder."""
