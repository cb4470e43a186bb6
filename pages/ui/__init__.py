"""What several pages share: the frame, the open project, safe rendering, number formats."""
