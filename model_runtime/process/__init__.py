"""One child process as the daemon sees it: start, talk, stop, reap. Why it is started or stopped is decided elsewhere."""
