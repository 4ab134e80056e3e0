"""What the tests of faults share: what was seen from outside, the checker of the invariants, and things that break."""
