"""A torture harness: damaged inputs, kills, full disks and crowds, on every command with tiny models.

``python -m torture --help`` tells how to run it, `tests/torture.sh` installs what it needs first. The promises that it
checks are those of the manual: an error is one line, outputs are complete, an interrupted run can be continued.

material: makes the inputs. tasks: the command lines. sandbox: one run of a command in a process of its own. rules: what
counts as a fault. fuzz, kill, disk, crowd: the kinds of cases. soak: a long video. report: the table.
"""
