"""`make demo`: three scenes, each simulated without and with Berthmaster, printed and as a web page.

Two weeks of a growing cluster, a morning of tasks that start and stop behind a load balancer, an afternoon of files.
"""
