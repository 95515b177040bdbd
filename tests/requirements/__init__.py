"""What the archive was asked to reach at the least, in time and memory: the only tests that look at a clock.

A limit is the required one, which leaves the budgets of the design a wide margin, ten times for most; where no limit
was asked for, it is a tenth of the budget. A test that fails here is no noise: something has become slow by an order of
magnitude. How fast the engine is, and not just fast enough, is what the benchmarks tell.
"""
