"""`make demo`: two stories, each once without Berthmaster and once with it, printed and as a web page.

Two weeks of a growing cluster, and a morning of tasks that come and go behind a load balancer.
"""
