"""What happens when something goes wrong: one command for each figure of docs/reliability.md.

    python -m benchmarks.reliability kill|writers|memory|slow [--help]

Each module breaks something real (a process, a disk, a database, a clock) while Turnover works, and
counts what was lost. No figure depends on how fast the machine is.
"""
