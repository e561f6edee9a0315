namespace DePIN.Firmware.Board
{
    /// <summary>The node's state, told when it changes. The first reason to stop stays: later ones do not hide it.</summary>
    public sealed class NodeStatus
    {
        private BoardState _state = BoardState.Starting;
        private string _message = "";

        public BoardState State
        {
            get { return _state; }
        }

        /// <summary>The word of the state and why, for whoever asks over serial.</summary>
        public string Describe()
        {
            return BoardStates.Word(_state) + (_message.Length > 0 ? ": " + _message : "");
        }

        /// <summary>Whether readings may be signed in this state.</summary>
        public bool MaySign
        {
            get { return _state == BoardState.Starting || _state == BoardState.Running || _state == BoardState.NotConfigured; }
        }

        public void Set(BoardState state, string message)
        {
            if (_state == state || !MaySign)
            {
                return;
            }

            _message = message;
            _state = state;
            NodeLog.Event("state", "state=" + BoardStates.Word(state) + " message=" + message);
        }
    }
}
