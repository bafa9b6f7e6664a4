"""What bench/compare is made of: processes, identity, candidates, load, report. Standard library only."""
