//! Statistics: intervals, tests and metrics, computed from counts and rows. Pure functions that use nothing of the rest.
