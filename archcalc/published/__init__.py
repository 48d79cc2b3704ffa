"""Published figures against computed ones: claims in data files, and a verdict on each."""

from archcalc.published.claims import Claim, ClaimFile, claims_schema, find_claims, source_names
from archcalc.published.verdicts import Verdict, judge

__all__ = ["Claim", "ClaimFile", "Verdict", "claims_schema", "find_claims", "judge", "source_names"]
