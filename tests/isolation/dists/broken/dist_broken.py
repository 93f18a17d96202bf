"""Imports what is not there."""

import not_there

Weno = not_there.Weno
