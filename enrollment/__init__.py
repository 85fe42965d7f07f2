"""Households, members and their voice profiles: enroll, identify, verify, forget."""

from enrollment.household import Household
from enrollment.store.backup import restore
from enrollment.store.store import Store

__all__ = ["Household", "Store", "restore"]
