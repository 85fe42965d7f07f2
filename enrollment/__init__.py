"""Households, members and their voice profiles: enrol, identify, verify, forget."""

from enrollment.household import Household
from enrollment.store.store import Store

__all__ = ["Household", "Store"]
