"""Domains: regions, point sets, time, attached arrays."""

from jno_core._domain.container import Domain as Domain
from jno_core._domain.factory import DomainFactory as DomainFactory
from jno_core._domain.mapped_arrays import KEPT_BYTES as KEPT_BYTES, RowReader as RowReader
