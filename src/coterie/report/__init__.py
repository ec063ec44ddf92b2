"""Self-contained pages made of results: one HTML file without any fetch, to be read, printed and passed on.

A page gets results that are already computed (descriptions, report cards, trees, maps, fates of rows) and turns them
into words and figures. It reads no store and computes no statistic; what it decides is how much may be shown of small
groups (``disclosure``).
"""
