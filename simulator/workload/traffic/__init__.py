"""Traffic between tasks, other interfaces and the internet, as security groups allow it and flow logs record it."""
