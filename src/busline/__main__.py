"""`python -m busline`: the command line."""

from busline.cli.main import main

main()
