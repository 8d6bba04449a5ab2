"""The simulated AWS as a server, for processes of their own such as `sam local invoke`."""
