"""What Berthmaster is compared with: a Lambda that revokes what flow logs have not shown for a while."""
