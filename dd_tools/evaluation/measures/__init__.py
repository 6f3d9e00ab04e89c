"""The measures, one file each, behind the interface in `interface`."""
