"""What every tool call shares: context, jobs, progress, results, status views, downloads. No tool is defined here."""
