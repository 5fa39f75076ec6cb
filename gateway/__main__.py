"""``python -m gateway`` is ``cara-gateway``."""

from gateway.cli import main

main()
