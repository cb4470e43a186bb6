"""`python -m influence_core.cli`, which jobs start."""

from influence_core.cli import main

main()
