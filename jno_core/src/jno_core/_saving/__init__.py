"""What jno stores in files, as data: descriptions of JSON types, arrays, and the rules that lead there and back."""

from jno_core._saving.content import described as described, reading as reading, rebuilt as rebuilt
from jno_core._saving.errors import NotDataError as NotDataError, NotRebuiltError as NotRebuiltError
