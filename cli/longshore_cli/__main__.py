"""`python -m longshore_cli`: the command `longshore`, by the interpreter that runs."""

from longshore_cli.main import main

main(prog_name="longshore")
