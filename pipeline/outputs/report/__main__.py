"""`python -m pipeline.outputs.report`, which is `seewhy report`."""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()
    import sys

    from pipeline.commands import main as command

    sys.exit(command(["report", *sys.argv[1:]]))
