"""What harms a whole split: rounds, trials beside controls, reports, exports.

It calls `cleansing` for the mathematics and `store` for the files, and has none of either itself.
"""
