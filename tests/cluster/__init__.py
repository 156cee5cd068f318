"""The chart on a real cluster: installed, scaled, hurt, upgraded and removed, with mail under way; see docs/cluster-test.md."""
